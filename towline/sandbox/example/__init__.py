"""The repository and the documents of the demo, as a user would write them."""
