"""How fast, how small and how safe the mapping of whole scenes is."""
