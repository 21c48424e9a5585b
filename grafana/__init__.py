"""The dashboards as code: `make dashboards` writes what Grafana reads into grafana/dashboards and into the chart."""
