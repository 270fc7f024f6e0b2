"""What a workload needs: measured constants, and formulas over them. Pure. docs/capacity.md shows both."""
