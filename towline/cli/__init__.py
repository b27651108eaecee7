"""The command line: `app` wires, `remote` asks the API, `show` prints, `demo` tells the story."""
