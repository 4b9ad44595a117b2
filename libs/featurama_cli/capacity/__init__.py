"""What a store of a size needs: `costs` are measured, `needs` follow from them."""
