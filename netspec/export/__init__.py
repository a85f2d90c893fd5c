"""Taking a trained network away: files of other formats, each checked against the compiled network."""
