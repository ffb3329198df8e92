"""Pictures of what a trained network looks at, what it takes a class for, and what it sees in a photo."""
