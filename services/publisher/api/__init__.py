"""Shapes of requests, answers and problem documents."""
