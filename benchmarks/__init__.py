"""What netspec takes in time and memory, beside its peers. `python -m benchmarks` measures it and writes RESULTS.md."""
