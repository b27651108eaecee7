"""Gunicorn's settings; `WEB_CONCURRENCY` sets the number of processes."""

import os

from towline.settings import load_or_exit

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"
worker_class = "webhook.worker.PatientWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
timeout = 30
graceful_timeout = 10
keepalive = 5
limit_request_line = 4094
limit_request_fields = 60
control_socket_disable = True

load_or_exit()  # here, and not in each worker, which gunicorn would start again and again
