"""Clusters over the official client's configuration, authentication and connections.

Requests and answers are raw JSON: the client's typed models cost seconds where parsing the
bytes costs hundredths.
"""

from towline.adapters.kubernetes.clusters import Clusters
from towline.adapters.kubernetes.inventory import ConfigMapInventory

__all__ = ["Clusters", "ConfigMapInventory"]
