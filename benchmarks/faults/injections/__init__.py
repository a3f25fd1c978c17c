"""What goes wrong. One file a cause, named for it; each declares `FAULTS`, and is found by walking this folder."""
