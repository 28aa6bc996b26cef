# SPDX-License-Identifier: GPL-2.0-or-later
"""A simulator of the parts of Proxmox VE that a hookscript can see."""
