"""Run folders: where a training keeps what it was given, what it measured and what it learnt."""
