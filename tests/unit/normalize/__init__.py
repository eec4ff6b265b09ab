"""Tests of the stage normalize."""
