"""The canonical layout of specs: read as they are written, laid out anew, and held to say the same."""
