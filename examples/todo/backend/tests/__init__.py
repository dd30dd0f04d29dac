"""Tests of the todo backend."""
