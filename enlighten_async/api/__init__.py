"""Parts that both versions of the API have in common: ranges, series, daily values, paging, decoding."""
