"""Failed placements by what is behind them."""
