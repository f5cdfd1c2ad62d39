"""The Streamlit pages: they show and ask; they decide nothing."""
