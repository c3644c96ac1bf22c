"""Pictures of handwriting: from files or drawn, made ready for a model."""
