"""Models for other programs: as graphs (ONNX, torch.export), as a folder with its own reader, as a web page."""
