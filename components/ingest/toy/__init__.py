"""Drawn cars in the official Stanford layout, for machines with no data and no network. Same query, same bytes."""
