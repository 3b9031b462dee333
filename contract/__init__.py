"""Facts with one owner, in plain Python, for every side that needs them."""
