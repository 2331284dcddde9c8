"""The broker all contenders share."""
