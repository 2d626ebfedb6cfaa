"""Benchmarks: ours and the peers on the same work in one run; tables go to bench/RESULTS.md."""
