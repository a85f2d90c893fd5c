"""Specs to begin with: templates to change, and proposals for a table of the user's own."""
