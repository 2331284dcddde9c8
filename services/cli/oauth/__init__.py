"""The way back from a platform's page of consent."""
