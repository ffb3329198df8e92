"""What an embedding is worth: photos are recognised by those nearest to them, of classes trained on and of classes never seen."""
