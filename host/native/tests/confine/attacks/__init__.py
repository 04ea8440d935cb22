"""The attacks, by what they are aimed at."""
