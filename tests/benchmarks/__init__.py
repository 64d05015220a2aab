"""Measurements that anyone can run; ratios of what was measured in one run, never absolute promises."""
