"""The processes of the Python contenders: the same small fold in a stock Faust agent, in Quix Streams, and bare."""
