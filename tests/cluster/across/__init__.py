"""What is asked of several nodes together."""
