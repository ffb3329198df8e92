"""TFRecords -> model.keras: a two-head network that names the car and finds its box."""
