"""What is trained. One file a kind of network; each declares `TASKS`, and is found by walking this folder."""
