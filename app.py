"""The pages: `streamlit run app.py`."""

from dpsynth.ui.main import main

main()
