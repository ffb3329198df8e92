"""Recent requests against the data that the model was trained and evaluated on: has something drifted?"""
