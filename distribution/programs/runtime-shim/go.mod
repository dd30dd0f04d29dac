module slipway.example/distribution/runtime-shim

go 1.25.0
