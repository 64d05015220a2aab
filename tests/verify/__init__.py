"""Tests of verify's expectations, checks, engine, verdict and report."""
