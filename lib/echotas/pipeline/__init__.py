"""What notebooks and stages share: parameters, paths, execution, runs, fan-out. Nothing below this layer imports it."""
