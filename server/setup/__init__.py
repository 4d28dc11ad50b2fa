"""``kvasir setup``: what each editor needs so that it starts Kvasir, shown, written and taken back.

An editor's module says by values (``steps``) what is to be done; ``dialogue`` shows it and does it. ``kvasir
doctor`` reads the same values, so what it finds is what setup would change.
"""
