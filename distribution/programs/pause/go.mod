module slipway.example/distribution/pause

go 1.25.0
