"""The predict client: photos in, labels and boxes out, against the embedded server or TF Serving."""
