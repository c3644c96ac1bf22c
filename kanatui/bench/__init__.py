"""Measurements that anybody can repeat: `kanatui bench`."""
