"""Tests of mic, verify and fixtures themselves."""
