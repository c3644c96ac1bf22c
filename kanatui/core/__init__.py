"""What every room uses: errors, paths, storage, parameters, random numbers, processes."""
