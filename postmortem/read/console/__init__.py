"""Text logs: what a terminal or a scheduler kept of a job."""
