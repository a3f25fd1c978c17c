"""Tables, JSON logs and settings files of trainers: lines -> rows -> series and hyper-parameters."""
