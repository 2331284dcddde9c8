"""The demo: publish the sample campaign, watch it, compare with the truth."""
