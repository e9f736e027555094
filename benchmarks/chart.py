"""The style that the pictures of figures share."""

STYLE = """
svg { font: 13px system-ui, sans-serif; background: #fff }
text { fill: #333 } .rule { stroke: #ddd } polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  svg { background: #16191d } text { fill: #ddd } .rule { stroke: #3a3f46 }
}
"""
