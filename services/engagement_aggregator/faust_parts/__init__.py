"""What is changed in Faust: its transport and its recovery."""
