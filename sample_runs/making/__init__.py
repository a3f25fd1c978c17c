"""How the sample runs are made: data, networks, one training loop, and the file layouts that training code leaves behind."""
