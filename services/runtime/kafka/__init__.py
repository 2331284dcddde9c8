"""The one typed boundary around kafka-python; no other package imports that library."""
